//! The one main of every binary.
