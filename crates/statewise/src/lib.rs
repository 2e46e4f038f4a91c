//! statewise
