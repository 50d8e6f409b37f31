// The third and last of the program's own libraries.
int in_two(void);
int only_in_gamma(void);
int in_two(void) { return 3; }
int only_in_gamma(void) { return 3; }
