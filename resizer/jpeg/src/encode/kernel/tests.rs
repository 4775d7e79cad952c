//! The kernels against each other and against definitions in floating point.
