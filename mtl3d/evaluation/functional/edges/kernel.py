"""The decorator of the compiled functions of this sub-package."""

from collections.abc import Callable
from typing import Any

from numba import njit


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function with numba, keep the result on disk, and run it without Python's lock.

    Without the lock, threads are as good as processes: nothing is pickled, and no worker imports
    the package again. Where neither the package's folder nor the user's cache folder can be
    written (read-only containers), the function is compiled anew in each process.

    numba notices a change of the file that holds a kernel, but not of a kernel that it calls in
    another file; kernels therefore call only kernels of their own file.

    Divisions by zero give infinities or NaN, as in NumPy.
    """
    try:
        return njit(cache=True, nogil=True, error_model='numpy')(function)
    except RuntimeError:  # 'no locator available': no folder for the cache
        return njit(nogil=True, error_model='numpy')(function)
