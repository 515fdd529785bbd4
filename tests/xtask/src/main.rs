//! The project's own commands: demo, test, bench, fuzz, dist.
fn main() {}
