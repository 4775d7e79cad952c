//! Spends CPU and memory: serves and resizes images.
