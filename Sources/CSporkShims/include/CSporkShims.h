int spork_fork(void);
