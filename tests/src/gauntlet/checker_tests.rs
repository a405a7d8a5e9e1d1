//! Doctored evidence: the checker must see each kind of lie.
