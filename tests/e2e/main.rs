//! The extension in a real PHP, under a real sidecar.
