//! Data sets of the deep Markov literature: piano rolls, MIDI, the synthetic systems.
