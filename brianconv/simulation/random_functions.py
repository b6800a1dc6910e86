"""The random numbers of coding/random_numbers.py as functions in Brian2 equations, for all its targets."""

from __future__ import annotations

from brian2 import Function

from brianconv.coding import random_numbers
from brianconv.coding.random_numbers import FIRST, GOLDEN, SECOND

_CPP = f"""
#include <cmath>
#include <cstdint>
static inline uint64_t _brianconv_mixed(uint64_t z)
{{
    z = (z ^ (z >> 30)) * {FIRST:#x}ull;
    z = (z ^ (z >> 27)) * {SECOND:#x}ull;
    return z ^ (z >> 31);
}}
static inline double uniform(double seed, double image_index, double step, double i)
{{
    uint64_t state = 0;
    for (double argument : {{seed, image_index, step, i}})
        state = _brianconv_mixed(state + (uint64_t)(int64_t)argument + {GOLDEN:#x}ull);
    return (state >> 11) * (1.0 / 9007199254740992.0);
}}
"""
_CPP_NORMAL = """
static inline double normal(double seed, double image_index, double step, double i)
{
    const double radius = std::sqrt(-2 * std::log(1 - uniform(seed, image_index, step, 2 * i)));
    return radius * std::cos(2 * 3.14159265358979323846 * uniform(seed, image_index, step, 2 * i + 1));
}
"""
_CYTHON = f"""
from libc.stdint cimport uint64_t, int64_t
cdef inline uint64_t _brianconv_mixed(uint64_t z) noexcept nogil:
    z = (z ^ (z >> 30)) * <uint64_t>{FIRST:#x}u
    z = (z ^ (z >> 27)) * <uint64_t>{SECOND:#x}u
    return z ^ (z >> 31)
cdef inline double uniform(double seed, double image_index, double step, double i) noexcept nogil:
    cdef uint64_t state = 0
    state = _brianconv_mixed(state + <uint64_t><int64_t>seed + <uint64_t>{GOLDEN:#x}u)
    state = _brianconv_mixed(state + <uint64_t><int64_t>image_index + <uint64_t>{GOLDEN:#x}u)
    state = _brianconv_mixed(state + <uint64_t><int64_t>step + <uint64_t>{GOLDEN:#x}u)
    state = _brianconv_mixed(state + <uint64_t><int64_t>i + <uint64_t>{GOLDEN:#x}u)
    return (state >> 11) * (1.0 / 9007199254740992.0)
"""
_CYTHON_NORMAL = """
from libc.math cimport sqrt, log, cos
cdef inline double normal(double seed, double image_index, double step, double i) noexcept nogil:
    cdef double radius = sqrt(-2 * log(1 - uniform(seed, image_index, step, 2 * i)))
    return radius * cos(2 * 3.14159265358979323846 * uniform(seed, image_index, step, 2 * i + 1))
"""
_UNITS = {"arg_units": [1, 1, 1, 1], "return_unit": 1}

UNIFORM = Function(random_numbers.uniform, **_UNITS)
NORMAL = Function(random_numbers.normal, **_UNITS)
for _function in (UNIFORM, NORMAL):
    _function.implementations.add_implementation("numpy", _function.pyfunc)
UNIFORM.implementations.add_implementation("cpp", _CPP, name="uniform")
UNIFORM.implementations.add_implementation("cython", _CYTHON, name="uniform")
NORMAL.implementations.add_implementation("cpp", _CPP_NORMAL, name="normal", dependencies={"uniform": UNIFORM})
NORMAL.implementations.add_implementation("cython", _CYTHON_NORMAL, name="normal", dependencies={"uniform": UNIFORM})

RANDOM_FUNCTIONS = {"uniform": UNIFORM, "normal": NORMAL}
