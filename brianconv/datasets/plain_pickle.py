"""Pickles of plain containers and arrays of numbers, read by a machine that knows nothing else.

Python's own unpickler calls what a pickle names; even NumPy's own types, given the state that a pickle may give them,
make pointers of its bytes. Here every instruction builds plain values, and names stay names. Nothing takes more memory
than a fixed multiple of the pickle.
"""

from __future__ import annotations

import codecs
import io
import pickle
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_INSTRUCTIONS = 5_000_000
LARGEST_WHOLE = 2**63 - 1


@dataclass(frozen=True)
class Name:
    """What a pickle names, which is neither imported nor called."""

    module: str
    name: str


# what a pickled array is made of, and where NumPy 1 and 2 keep it
RECONSTRUCT = {Name(f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")}
FROM_BUFFER = {Name(f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")}
ARRAY, DTYPE = Name("numpy", "ndarray"), Name("numpy", "dtype")
ENCODE = Name("_codecs", "encode")  # how Python 3 writes bytes for Python 2
OPCODES = {opcode.code: opcode for opcode in pickletools.opcodes}
KNOWN = RECONSTRUCT | FROM_BUFFER | {ARRAY, DTYPE, ENCODE}


@dataclass
class PickledType:
    """The type of an array's elements as a pickle has it: a code such as u1, and an order of bytes."""

    code: Any
    order: Any = "|"


@dataclass
class PickledArray:
    """An array as a pickle has it."""

    shape: Any = ()
    dtype: Any = None
    column_major: Any = False
    content: Any = b""

    def array(self) -> np.ndarray:
        """Return the array; raise ValueError unless it holds whole numbers, as many as its shape requires."""
        code = _text(self.dtype.code) if isinstance(self.dtype, PickledType) else None
        order = _text(self.dtype.order) if isinstance(self.dtype, PickledType) else None
        if code not in ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8") or order not in ("|", "<", ">", "="):
            raise ValueError("it has an array of something other than whole numbers")
        shape = self.shape if isinstance(self.shape, tuple) else (-1,)
        if len(shape) > 4 or not all(type(length) is int and 0 <= length < 2**31 for length in shape):
            raise ValueError("it has an array of an impossible shape")
        if not isinstance(self.content, (bytes, bytearray)) or self.column_major not in (False, True):
            raise ValueError("it has an array without content")
        dtype = np.dtype(order + code)
        if len(self.content) != dtype.itemsize * int(np.prod(shape, dtype=object)):
            raise ValueError(f"it has an array of shape {shape} and type {dtype} with {len(self.content)} bytes")
        values = np.frombuffer(self.content, dtype)
        return values.reshape(shape[::-1]).T if self.column_major else values.reshape(shape)


def read_pickle(content: bytes) -> Any:
    """Return plain containers, text, numbers and `PickledArray`s; raise ValueError with the reason for anything else.

    Text written by Python 2 becomes bytes.
    """
    machine, file = _Machine(len(content)), io.BytesIO(content)
    for _ in range(MOST_INSTRUCTIONS):
        code = file.read(1).decode("latin-1")
        if code == ".":
            return machine.pop()
        opcode = OPCODES.get(code)
        if opcode is None:
            raise ValueError("it ends early" if not code else f"it has an instruction {code!r}")
        if opcode.name == "STRING":  # the reader of pickletools assumes ASCII
            argument: Any = codecs.escape_decode(pickletools.read_stringnl(file, decode=False))[0]  # type: ignore[attr-defined]
        else:
            argument = opcode.arg.reader(file) if opcode.arg else None
        if opcode.name == "FRAME" and argument > len(content) - file.tell():
            raise ValueError("it ends early")
        machine.perform(opcode.name, argument)
    raise ValueError(f"it has more than {MOST_INSTRUCTIONS:,} instructions")


class _Machine:
    """Performs the instructions of a pickle on a stack of plain values."""

    def __init__(self, size: int) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.left = size  # characters that may still be encoded, so that one text is not copied again and again

    def perform(self, name: str, argument: Any) -> None:
        if name in CONSTANTS:
            self.stack.append(CONSTANTS[name]())
        elif name in NUMBERS:
            self.stack.append(_number(argument))
        elif name in TEXTS:
            self.stack.append(argument.encode("latin-1") if name in BYTES_OF_PYTHON_2 else argument)
        elif name in INSTRUCTIONS:
            INSTRUCTIONS[name](self, argument)
        elif name == "PROTO" and argument > pickle.HIGHEST_PROTOCOL:
            raise ValueError(f"it has pickle protocol {argument}; {pickle.HIGHEST_PROTOCOL} is the highest")
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"it has the instruction {name}, which makes neither an array nor a plain container")

    def pop(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ValueError("it takes more values than it has made")
        return self.stack.pop()

    def above_mark(self) -> list[Any]:
        if not self.marks:
            raise ValueError("it takes more values than it has made")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def top(self, kind: type) -> Any:
        value = self.pop()
        if not isinstance(value, kind):
            raise ValueError(f"it takes a {type(value).__name__} for a {kind.__name__}")
        self.stack.append(value)
        return value

    def mark(self, _: Any) -> None:
        self.marks.append(len(self.stack))

    def tuple_of(self, length: int | None) -> None:
        values = self.above_mark() if length is None else [self.pop() for _ in range(length)][::-1]
        self.stack.append(tuple(values))

    def list_of(self, _: Any) -> None:
        self.stack.append(self.above_mark())

    def dict_of(self, _: Any) -> None:
        values = self.above_mark()
        self.stack.append({})
        self.set_items(values)

    def append(self, values: list[Any]) -> None:
        self.top(list).extend(values)

    def set_items(self, values: list[Any]) -> None:
        target = self.top(dict)
        keys = values[::2]
        if len(values) % 2 or not all(isinstance(key, (str, bytes)) for key in keys):
            raise ValueError("it has a dict whose keys are not text")
        target.update(zip(keys, values[1::2], strict=True))

    def put(self, index: Any) -> None:
        self.memo[len(self.memo) if index is None else int(index)] = self.top(object)

    def get(self, index: Any) -> None:
        if int(index) not in self.memo:
            raise ValueError("it takes a value that it has not kept")
        self.stack.append(self.memo[int(index)])

    def name(self, argument: str | None) -> None:
        if argument is None:
            name, module = self.pop(), self.pop()
        else:
            module, _, name = argument.partition(" ")
        if not isinstance(module, str) or not isinstance(name, str) or Name(module, name) not in KNOWN:
            raise ValueError(f"it names {module}.{name}"[:100] + ", which is neither an array nor a plain container")
        self.stack.append(Name(module, name))

    def reduce(self, _: Any) -> None:
        arguments, called = self.pop(), self.pop()
        match called, arguments:
            case Name(), (Name(), _, _) if called in RECONSTRUCT and arguments[0] == ARRAY:
                self.stack.append(PickledArray())
            case Name(), (content, dtype, shape, order) if called in FROM_BUFFER:
                self.stack.append(PickledArray(shape, dtype, {"C": False, "F": True}.get(order), content))
            case Name(), (code, *_) if called == DTYPE:
                self.stack.append(PickledType(code))
            case Name(), (str(), "latin1") if called == ENCODE:
                self.left -= len(arguments[0])
                if self.left < 0:
                    raise ValueError("it encodes the same text again and again")
                self.stack.append(arguments[0].encode("latin-1"))
            case _:
                raise ValueError("it calls something that makes neither an array nor a plain container")

    def build(self, _: Any) -> None:
        state = self.pop()
        target = self.top(object)
        match target, state:
            case PickledArray(), (_, shape, dtype, column_major, content):
                target.shape, target.dtype, target.column_major, target.content = shape, dtype, column_major, content
            case PickledType(), (int(), order, *_):
                target.order = order
            case _:
                raise ValueError("it changes something that is neither an array nor its type")


CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple,
}  # fmt: skip
NUMBERS = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"}
BYTES_OF_PYTHON_2 = {"BINSTRING", "SHORT_BINSTRING"}
TEXTS = BYTES_OF_PYTHON_2 | {
    "STRING", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE",
    "BINUNICODE8",
}  # fmt: skip
INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "MARK": _Machine.mark,
    "TUPLE": lambda machine, _: machine.tuple_of(None),
    "TUPLE1": lambda machine, _: machine.tuple_of(1),
    "TUPLE2": lambda machine, _: machine.tuple_of(2),
    "TUPLE3": lambda machine, _: machine.tuple_of(3),
    "LIST": _Machine.list_of,
    "DICT": _Machine.dict_of,
    "APPEND": lambda machine, _: machine.append([machine.pop()]),
    "APPENDS": lambda machine, _: machine.append(machine.above_mark()),
    "SETITEM": lambda machine, _: machine.set_items([machine.pop(), machine.pop()][::-1]),
    "SETITEMS": lambda machine, _: machine.set_items(machine.above_mark()),
    "PUT": _Machine.put, "BINPUT": _Machine.put, "LONG_BINPUT": _Machine.put, "MEMOIZE": _Machine.put,
    "GET": _Machine.get, "BINGET": _Machine.get, "LONG_BINGET": _Machine.get,
    "GLOBAL": _Machine.name, "STACK_GLOBAL": _Machine.name,
    "REDUCE": _Machine.reduce,
    "BUILD": _Machine.build,
}  # fmt: skip


def _number(value: Any) -> Any:
    if isinstance(value, int) and abs(value) > LARGEST_WHOLE:
        raise ValueError("it has a number that does not fit 64 bits")
    return value


def _text(value: Any) -> Any:
    return value.decode("latin-1") if isinstance(value, bytes) else value
