//! Verdicts from facts.
