//! Claims about the ITCH decoder: every type, byte by byte, and any bytes at all.

mod any_bytes;
mod encoded;
mod names;
mod types;
mod wire;
