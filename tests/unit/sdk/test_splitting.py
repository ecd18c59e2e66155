"""One text to several, with nothing lost."""

import re
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from embedding_studio.sdk.splitting import SentenceSplitter, SeparatorSplitter, Splitter, TokenSplitter

CORPUS = ["the quick brown fox jumps over the lazy dog, again and again; nothing's embeddings 1234567890"] * 4
SPECIALS = ["[UNK]", "[CLS]", "[SEP]"]


def word_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return trained(tokenizer, trainers.WordPieceTrainer(vocab_size=120, special_tokens=SPECIALS, show_progress=False))


def byte_pairs() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False
    )
    return trained(tokenizer, trainer)


def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=80, special_tokens=SPECIALS, unk_token="[UNK]", show_progress=False)
    return trained(tokenizer, trainer)


def trained(tokenizer: Tokenizer, trainer: trainers.Trainer) -> Tokenizer:
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return tokenizer


TOKENIZERS = {make.__name__: make() for make in (word_piece, byte_pairs, unigram)}
tokenizers = pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS.keys())
words = st.lists(st.sampled_from(CORPUS[0].split()) | st.text(max_size=12), max_size=60)
texts = st.one_of(
    st.text(max_size=300),
    words.map(" ".join),
    words.map("\n\n".join),
    st.builds(lambda text, times: text * times, st.text(max_size=20), st.integers(0, 60)),
)
SPLITTERS = [
    TokenSplitter(32),
    SentenceSplitter(1),
    SentenceSplitter(40),
    SeparatorSplitter(("\n\n", "; ", " "), 40),
    SeparatorSplitter(("aa",), 3),
]


def solid(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("splitter", SPLITTERS, ids=str)
@tokenizers
@given(text=texts)
def test_nothing_but_white_space_is_lost_and_no_piece_is_blank(
    splitter: Splitter, tokenizer: Tokenizer, text: str
) -> None:
    pieces = splitter.build(tokenizer)(text)
    assert solid("".join(pieces)) == solid(text)
    assert all(piece.strip() == piece != "" for piece in pieces)


@tokenizers
@given(text=texts, overlap=st.integers(0, 16), prompt=st.sampled_from(["", "passage: "]))
def test_every_piece_fits_when_it_is_encoded_again(tokenizer: Tokenizer, text: str, overlap: int, prompt: str) -> None:
    pieces = TokenSplitter(48, overlap, prompt).build(tokenizer)(text)
    assert all(len(tokenizer.encode(prompt + piece).ids) <= 48 for piece in pieces)
    assert all(piece in text for piece in pieces)


@tokenizers
@given(count=st.integers(0, 200), overlap=st.integers(0, 20))
def test_pieces_overlap_by_whole_words_and_cover_all(tokenizer: Tokenizer, count: int, overlap: int) -> None:
    text = " ".join(map(str, range(1000, 1000 + count)))
    pieces = [list(map(int, piece.split())) for piece in TokenSplitter(40, overlap).build(tokenizer)(text)]
    assert sorted({word for piece in pieces for word in piece}) == list(range(1000, 1000 + count))
    for left, right in pairwise(pieces):
        assert right == list(range(right[0], right[-1] + 1))
        assert left[0] < right[0] <= left[-1] + 1
        shared = "".join(f" {word}" for word in range(right[0], left[-1] + 1))
        assert len(tokenizer.encode(shared, add_special_tokens=False).ids) <= overlap


@tokenizers
def test_pieces_share_as_many_words_as_the_overlap_takes(tokenizer: Tokenizer) -> None:
    text = " ".join(map(str, range(1000, 1200)))
    longest = max(len(tokenizer.encode(f" {word}", add_special_tokens=False).ids) for word in text.split())
    for left, right in pairwise(TokenSplitter(40, 20).build(tokenizer)(text)):
        shared = " ".join(sorted({*left.split()} & {*right.split()}))
        assert 20 - longest < len(tokenizer.encode(f" {shared}", add_special_tokens=False).ids) <= 20


@tokenizers
def test_a_word_is_cut_only_where_it_does_not_fit(tokenizer: Tokenizer) -> None:
    split = TokenSplitter(32).build(tokenizer)
    assert {word for piece in split("quick embeddings " * 40) for word in piece.split()} == {"quick", "embeddings"}
    assert len(split("again;" * 60)) > 1


@tokenizers
def test_a_text_that_fits_stays_whole(tokenizer: Tokenizer) -> None:
    for splitter in (TokenSplitter(64, 8), SentenceSplitter(50), SeparatorSplitter((" ",), 50)):
        assert splitter.build(tokenizer)(" The quick. Brown\n\nfox ") == ["The quick. Brown\n\nfox"]


def test_a_tokenizer_that_cuts_or_pads_is_left_as_it_was() -> None:
    tokenizer = word_piece()
    tokenizer.enable_truncation(40)
    tokenizer.enable_padding(length=40)
    text = "the lazy dog " * 50
    assert solid("".join(TokenSplitter(40).build(tokenizer)(text))) == solid(text)
    assert tokenizer.truncation is not None
    assert tokenizer.padding is not None
    with pytest.raises(ValueError, match="40 tokens"):
        TokenSplitter(41).build(tokenizer)


def test_tokens_need_a_tokenizer_and_room() -> None:
    with pytest.raises(ValueError, match="tokenizer"):
        TokenSplitter(32).build()
    with pytest.raises(ValueError, match="leaves 18"):
        TokenSplitter(20).build(word_piece())
    with pytest.raises(ValueError, match="leaves"):
        TokenSplitter(32, prompt="the quick brown fox jumps over the lazy dog and again and again").build(word_piece())


def test_sentences_stay_whole_where_they_fit() -> None:
    text = "It rains. Nobody walks the streets, not even the dog. Then it stops."
    assert SentenceSplitter(55).build()(text) == [
        "It rains. Nobody walks the streets, not even the dog.",
        "Then it stops.",
    ]


def test_the_strongest_separator_comes_first() -> None:
    text = "# One\nfirst part; second part\n# Two\nthird part; fourth part"
    assert SeparatorSplitter(("\n# ", "; "), 20).build()(text) == [
        "# One\nfirst part;",
        "second part\n#",
        "Two\nthird part;",
        "fourth part",
    ]


@pytest.mark.parametrize("splitter", [SentenceSplitter(30), SeparatorSplitter((".",), 30)], ids=str)
@given(text=texts)
def test_no_piece_is_longer_than_it_may_be(splitter: Splitter, text: str) -> None:
    assert all(len(piece) <= 30 for piece in splitter.build()(text))


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (lambda: TokenSplitter(32, 17), "overlap"),
        (lambda: TokenSplitter(32, -1), "overlap"),
        (lambda: SentenceSplitter(0), "max_characters"),
        (lambda: SeparatorSplitter((" ",), 0), "max_characters"),
        (lambda: SeparatorSplitter("; ", 10), "separators"),
        (lambda: SeparatorSplitter((), 10), "separator"),
        (lambda: SeparatorSplitter(("a", ""), 10), "separator"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make: Callable[[], object], wrong: str) -> None:
    with pytest.raises((TypeError, ValueError), match=wrong):
        make()


@pytest.mark.parametrize("character", ["中", "e\u0301", "a", " .", "\n", "😀", "\ufdfa"])
def test_a_long_text_without_sentences_is_split_all_the_same(character: str) -> None:
    text = "x" + character * 30_000
    for splitter in (TokenSplitter(64, 8), SentenceSplitter(1_000), SeparatorSplitter((" ",), 1_000)):
        pieces = splitter.build(TOKENIZERS["byte_pairs"])(text)
        assert re.sub(r"\s", "", text).startswith(solid(pieces[0]))
