//! The access log: one line a request, in the native format, in those with a name, or in one of your own.
//!
//! Lines are bytes: clients write whatever they like into URLs and fields.

mod entry;
mod format;

pub use entry::{Entry, Site};
pub use format::{Format, FormatError};
