//! Oracles, generators and the allocation counter of statewise's own tests.
