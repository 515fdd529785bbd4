//! What a check says: states, ranges, fields, faults, and the renderers.
