// The second library: it and the third define the same name.
int in_two(void);
int in_two(void) { return 2; }
