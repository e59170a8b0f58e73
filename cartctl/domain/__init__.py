"""Pure rules: no clock, no files, no database, standard library only. `now` is an argument."""
