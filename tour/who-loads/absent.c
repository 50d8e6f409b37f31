// A library that is there when a program is linked, and under the name that the program then looks for never again.
int absent_answer(void);
int absent_answer(void) { return 42; }
