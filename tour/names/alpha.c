// The first library in the search: it has a name of its own that nobody wants.
int only_in_alpha(void);
int only_in_alpha(void) { return 1; }
