// A library with a variable of its own: how its code reaches the variable depends on how it was compiled.
int* where_counter(void);
int next_count(void);

static int counter;

int next_count(void) { return ++counter; }

// Where the code finds its variable.
int* where_counter(void) { return &counter; }
