//! What all hatches share.
