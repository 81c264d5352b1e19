"""The sweep: a small real sale is run once for every step that registers itself (`kit.steps`), dies or raises there, is
run again by a new process, and is judged. Nobody lists the steps, so nobody can forget one."""
