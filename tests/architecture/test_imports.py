"""The shape of the house: who imports whom, and what a process loads."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import embedding_studio

ROOT = Path(__file__).parents[2]
SOURCE = Path(embedding_studio.__file__).parent
MODULES = sorted(path for path in SOURCE.rglob("*.py") if "_shipped" not in path.parts)
CONTEXTS = {
    "access",
    "bootstrap",
    "clickstream",
    "experiments",
    "fine_tuning",
    "improvement",
    "inference",
    "search",
    "shadow",
    "tasks",
    "upsertion",
    "vector_store",
}
HEAVY = {"mlflow", "onnx", "sentence_transformers", "torch", "transformers"}


def test_the_import_contracts_hold() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("modules", ["embedding_studio.api", "embedding_studio.up, embedding_studio.__main__"])
def test_the_api_and_the_command_line_load_no_torch(modules: str) -> None:
    program = f"import json, sys, {modules}; print(json.dumps(sorted(name.split('.')[0] for name in sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert not HEAVY & set(json.loads(done.stdout))


@pytest.mark.parametrize("role", ["inference", "improve", "upsert"])
def test_only_the_workers_that_train_load_torch(role: str) -> None:
    program = f"""
import json, sys
from unittest.mock import MagicMock
from embedding_studio.worker.roles import CHORES, ROLES, SIGNALS
for duties in (CHORES, ROLES, SIGNALS):
    duties.get({role!r}, lambda _: None)(MagicMock())
print(json.dumps(sorted(name.split(".")[0] for name in sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert not (HEAVY - {"mlflow"}) & set(json.loads(done.stdout))


def test_the_whole_application_is_built_without_torch_and_without_a_connection() -> None:
    program = """
import json, socket, sys
def refuse(*_): raise AssertionError("a connection was opened")
socket.socket.connect = refuse
from embedding_studio.api import create_app
from embedding_studio.settings import load_settings
app = create_app(load_settings())
assert app.openapi_schema.paths
print(json.dumps(sorted(name.split(".")[0] for name in sys.modules)))
"""
    addresses = ("POSTGRES__DSN", "MONGO__URL", "REDIS__URL")
    environment = {**os.environ, **{f"EMBEDDING_STUDIO_{name}": "x://nowhere" for name in addresses}}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not HEAVY & set(json.loads(done.stdout))


def test_only_what_a_module_offers_is_imported_from_it() -> None:
    offered = {_dotted(path): _literal_all(ast.parse(path.read_text(encoding="utf-8"))) for path in MODULES}
    wrong = [
        f"{path}: {alias.name} of {node.module}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module in offered
        for alias in node.names
        if alias.name not in (offered[node.module] or []) and f"{node.module}.{alias.name}" not in offered
    ]
    assert not wrong


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_says_what_it_offers(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    offered = _literal_all(tree)
    if offered is None:
        assert path.name == "__init__.py", "lacks __all__"
        assert all(isinstance(node, ast.Expr) for node in tree.body), "offers names without __all__"
        return
    assert len(offered) == len(set(offered))
    assert set(offered) <= _bound_names(tree)
    if path.name != "__init__.py":
        defined = {
            node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        }
        commands = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list}
        public = {name for name in defined - commands if not name.startswith("_")}
        assert public <= set(offered), "public names that are not offered"


ASSEMBLED = {
    "championing",
    "child",
    "dataset",
    "evaluation",
    "experiment_log",
    "fidelity",
    "learning",
    "materials",
    "preview",
    "training",
}
"""What a role puts together: a front door that offered it would bring torch into the API."""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_contexts_are_entered_by_their_front_door(path: Path) -> None:
    home = path.relative_to(SOURCE).parts[0]
    allowed = {"api": {"http"}, "worker": {"actors", *ASSEMBLED}}.get(home, set())
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("embedding_studio."):
            _, context, *inside = node.module.split(".")
            if context in CONTEXTS - {home} and inside and home not in {"__main__.py", "cli"}:
                assert set(inside) <= allowed, f"{node.module} is imported past its front door"


def test_tests_mirror_modules() -> None:
    for path in (*ROOT.glob("tests/unit/**/test_*.py"), *ROOT.glob("tests/integration/**/test_*.py")):
        inside = path.relative_to(ROOT / "tests").parts[1:]
        package = SOURCE.joinpath(*inside[:-1])
        name = inside[-1].removeprefix("test_").removeprefix("poisoned_")
        whole_package = inside[-1] == "test_lifecycle.py" and (package / "__init__.py").exists()
        assert whole_package or (package / name).exists(), f"{path} mirrors nothing"


def test_no_module_has_a_name_that_says_nothing() -> None:
    vague = {"utils", "util", "common", "core", "helpers", "misc", "manager", "base"}
    assert not [path for path in MODULES if path.stem in vague or set(path.relative_to(SOURCE).parts[:-1]) & vague]


def _dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _literal_all(tree: ast.Module) -> list[str] | None:
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(one, ast.Name) and one.id == "__all__" for one in node.targets
        ):
            return list(ast.literal_eval(node.value))
    return None


def _bound_names(tree: ast.Module) -> set[str]:
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom | ast.Import):
            bound |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            bound.add(node.name)
        elif isinstance(node, ast.Assign):
            bound |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            bound.add(node.target.id)
    return bound
