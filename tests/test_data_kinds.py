"""Files whose splits are of any kinds: what is loaded is right, or refused in one sentence."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bnrun.data.arrays import ArrayFile
from bnrun.data.errors import DataError

SPLITS = ("train", "validation", "test")
PIXELS = {  # What a user may have done to grey images in [0, 1], and by what they are scaled then.
    "bytes": (lambda grey: (grey * 255).round().astype(np.uint8), 1),
    "sixteen levels": (lambda grey: (grey * 16).round().astype(np.uint8), None),
    "bits as bytes": (lambda grey: (grey > 0.5).astype(np.uint8), None),
    "bits": (lambda grey: grey > 0.5, "bits"),
    "bits as floats": (lambda grey: (grey > 0.5).astype(np.float32), "bits"),
    "floats": (lambda grey: grey.astype(np.float32), 1),
    "halves": (lambda grey: grey.astype(np.float16), 1),
    "doubles": (lambda grey: grey, 1),
    "floats to 255": (lambda grey: (grey * 255).astype(np.float32), 255),
    "doubles to 255": (lambda grey: (grey * 255).round(), 255),
    "percent": (lambda grey: 100 * grey, 100),
    "signed": (lambda grey: 2 * grey - 1, "signed"),
    "standardised": (lambda grey: (grey - 0.5) / 0.29, "standardised"),
    "integers": (lambda grey: (grey * 255).astype(np.int64), None),
    "shorts": (lambda grey: (grey * 255).astype(np.uint16), None),
    "complex": (lambda grey: grey.astype(np.complex64), None),
    "text": (lambda grey: grey.astype(str), None),
    "with NaN": (lambda grey: np.where(grey == grey[3], np.nan, grey), None),
    "with infinity": (lambda grey: np.where(grey == grey[3], np.inf, grey), None),
    "channels last": (lambda grey: grey[..., None].repeat(3, -1), None),
    "one channel": (lambda grey: grey[:, None], 1),
    "flat": (lambda grey: grey.reshape(len(grey), -1), "flat"),
    "narrow": (lambda grey: grey[..., :5], "narrow"),
}
LABELS = {  # And to labels 0 .. 3; whether they are what they were.
    "int64": (lambda labels: labels, True),
    "uint8": (lambda labels: labels.astype(np.uint8), True),
    "int32": (lambda labels: labels.astype(np.int32), True),
    "from 1": (lambda labels: labels + 1, False),
    "from -1": (lambda labels: labels - 1, False),
    "floats": (lambda labels: labels.astype(np.float32), False),
    "bool": (lambda labels: labels > 1, False),
    "one-hot": (lambda labels: np.eye(4)[labels].astype(int), False),
    "a column": (lambda labels: labels[:, None], False),
    "one too few": (lambda labels: labels[1:], False),
    "huge": (lambda labels: np.where(labels == 3, 2**62, labels), False),
    "huge unsigned": (lambda labels: np.where(labels == 3, 2**63, labels.astype("u8")), False),
}


def outcome(path):
    """What is loaded, or the message of the refusal."""
    try:
        return ArrayFile(path=path).load(), ""
    except DataError as error:
        return None, str(error)


USUAL = st.sampled_from(["bytes", "floats", "bits", "floats to 255"])


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.tuples(*[st.one_of(USUAL, st.sampled_from(list(PIXELS))) for _ in SPLITS]),
    st.tuples(*[st.one_of(st.just("int64"), st.sampled_from(list(LABELS))) for _ in SPLITS]),
    st.sampled_from([60, 33, 9]),
    st.sets(st.sampled_from(SPLITS[1:])),
    st.booleans(),
)
def test_a_file_of_any_kinds_is_loaded_right_or_refused(
    tmp_path_factory, pixels, labels, count, given_splits, torch_file
):
    generator = np.random.default_rng(count)
    arrays, grey = {}, {}
    for split_name, pixel, label in zip(SPLITS, pixels, labels, strict=True):
        if split_name != "train" and split_name not in given_splits:
            continue
        grey[split_name] = generator.random((count, 6, 6))
        arrays[f"{split_name}_inputs"] = PIXELS[pixel][0](grey[split_name])
        arrays[f"{split_name}_targets"] = LABELS[label][0](np.arange(count) % 4)
    kinds = {PIXELS[kind][1] for name, kind in zip(SPLITS, pixels, strict=True) if name in grey}
    good = all(LABELS[kind][1] for name, kind in zip(SPLITS, labels, strict=True) if name in grey)
    folder = tmp_path_factory.mktemp("files")
    textual = any(array.dtype.kind in "U" for array in arrays.values())
    path = folder / ("mine.pt" if torch_file and not textual else "mine.npz")
    if path.suffix == ".pt":
        torch.save({key: torch.from_numpy(np.array(value)) for key, value in arrays.items()}, path)
    else:
        np.savez(path, **arrays)
    loaded, error = outcome(path)
    if loaded is None:
        assert "\n" not in error
        assert str(path) in error
        assert any(key in error for key in arrays)
        alike = len({arrays[f"{name}_inputs"].dtype for name in grey}) == 1
        assert not (good and alike and len(kinds) == 1 and None not in kinds), error
        return
    assert good
    assert None not in kinds
    # A file of one scale; or of two that no number tells apart, bits and grey floats.
    assert len(kinds) == 1 or kinds == {"bits", 1}
    scale = 255 if kinds == {255} else 100 if kinds == {100} else 1
    for name in given_splits & set(grey):
        kind = pixels[SPLITS.index(name)]
        expected = PIXELS[kind][0](grey[name]).astype(np.float64)
        if kind == "bytes":
            expected = expected / 255
        values = getattr(loaded, name).inputs.double().numpy().reshape(count, -1)
        np.testing.assert_allclose(values, expected.reshape(count, -1), atol=1e-4 * scale)
        assert getattr(loaded, name).targets.tolist() == (np.arange(count) % 4).tolist()
