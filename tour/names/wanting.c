// A library that wants a name which no library has.
int nobody_has_it(void);
int wanting(void);
int wanting(void) { return nobody_has_it() + 1; }
