//! The kernel side of the seam.
