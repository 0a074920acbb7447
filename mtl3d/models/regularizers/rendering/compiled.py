"""How loops for the CPU are compiled."""

from numba import njit

#: Reordered sums let the compiler use vector instructions. Not 'nnan' and 'ninf': a diverging
#: training must show its NaN.
compiled = njit(nogil=True, cache=True, fastmath={'reassoc', 'contract', 'nsz'})
