//! The node's settings: one struct for each module that has any.
