"""Read PyTorch's old file format without PyTorch: tensors, and nothing else."""

import collections
import hashlib
import io
import pickle
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
STORAGES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class RefusedFileError(ValueError):
    """A file is not the one that was pinned, or names or holds anything but tensors."""


def read_tensors(path: str | Path, *, sha256: str) -> dict[str, NDArray]:
    """Return the tensors of a `state_dict` that PyTorch saved before its version 1.6.

    The format is five pickles and then the numbers: a magic number, a protocol, facts about the
    machine, the tensors by name (each a piece of a storage, which it only names), the order of the
    storages, and for each storage its length and its numbers. A pickle may call any function that
    it names. So the file must be the one whose hash is given, and its pickles may name four
    things: an ordered dictionary, two kinds of storage, and PyTorch's function that cuts a tensor
    out of a storage. Our own stand-ins do what these do; nothing of the file is looked up.

    Args:
        path: The file.
        sha256: SHA-256 of its bytes, in hexadecimal.

    Returns:
        Name → array, as in the file.

    Raises:
        RefusedFileError: The hash is another, the file names anything else, or it is damaged.

    Reference:
        `torch.serialization._legacy_save` and `torch._utils._rebuild_tensor_v2`.
    """
    content = Path(path).read_bytes()  # once: what is unpickled is what was compared
    found = hashlib.sha256(content).hexdigest()
    if found != sha256.lower():
        raise RefusedFileError(f"`path` must have the SHA-256 {sha256}. Received: {found}")
    try:
        return _read(io.BytesIO(content))
    except RefusedFileError:
        raise
    except Exception as error:  # a damaged stream fails in many ways
        raise RefusedFileError(f"{Path(path).name} is damaged: {error}") from error


def _read(file: BinaryIO) -> dict[str, NDArray]:
    head = tuple(_TensorUnpickler(file).load() for _ in range(3))[:2]
    if head != (MAGIC, PROTOCOL):
        raise RefusedFileError(f"this is not PyTorch's old format. Received: {head}")
    body = _TensorUnpickler(file)
    pieces = body.load()
    numbers = {}
    for key in _TensorUnpickler(file).load():
        kind, length = body.storages[key]
        if int.from_bytes(file.read(8), "little") != length:
            raise RefusedFileError(f"storage {key} must hold {length} numbers")
        numbers[key] = np.frombuffer(file.read(length * kind.itemsize), kind, length)
    if file.read(1):
        raise RefusedFileError("there is something behind the last storage")
    return {name: piece.of(numbers[piece.storage]) for name, piece in pieces.items()}


class _Piece(collections.namedtuple("_Piece", "storage offset shape strides")):
    """Where the numbers of a tensor stand in a storage."""

    def of(self, numbers: NDArray) -> NDArray:
        last = self.offset + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))
        if min(self.shape, default=1) < 1 or min(self.offset, *self.strides, 0) < 0:
            raise RefusedFileError(f"a tensor's place must not be negative. Received: {self}")
        if last >= len(numbers):
            raise RefusedFileError(f"a tensor must lie in its storage. Received: {self}")
        size = numbers.itemsize
        strides = [size * stride for stride in self.strides]
        start = numbers[self.offset :]
        return np.lib.stride_tricks.as_strided(start, self.shape, strides, writeable=False).copy()


class _OrderedNames(dict):
    """A `state_dict` is an OrderedDict with notes on versions, which are dropped."""

    def __setstate__(self, state) -> None:
        """Accept the notes and forget them."""


def _rebuild_tensor(storage, offset, shape, strides, requires_grad, hooks) -> _Piece:
    return _Piece(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


class _TensorUnpickler(pickle.Unpickler):
    """An unpickler that knows the names of tensors, and no others."""

    def __init__(self, file: BinaryIO):
        super().__init__(file)
        self.storages: dict[str, tuple[np.dtype, int]] = {}

    def find_class(self, module: str, name: str):
        """Return our stand-in for what the file names; refuse any other name."""
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        known = {
            ("collections", "OrderedDict"): _OrderedNames,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
        }
        if (module, name) not in known:
            raise RefusedFileError(
                f"a file of tensors must not name anything else. Received: {module}.{name}"
            )
        return known[module, name]

    def persistent_load(self, pid) -> str:
        """Note a storage that the file names, and return its key."""
        word, kind, key, _, length, view = pid
        if word != "storage" or kind not in STORAGES.values() or view is not None:
            raise RefusedFileError(f"a storage must be whole and of a known kind. Received: {pid}")
        self.storages[key] = kind, int(length)
        return key
