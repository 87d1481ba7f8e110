"""How the page of a cohort looks, in the light and in the dark."""

STYLE = """
:root { color-scheme: light dark; --ink: #1c1d22; --dim: #666a75; --line: #d9dbe1;
  --paper: #fcfcfa; --bar: #3a6ea5; --bad: #b3372f;
  --s0: #f3c9c4; --s1: #f4d9c2; --s2: #f3e8c3; --s3: #dfeac6; --s4: #c5e3cb; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e7ea; --dim: #9a9eaa; --line: #35373f;
  --paper: #17181c; --bar: #7eaee0; --bad: #f08a80;
  --s0: #5b2b28; --s1: #57392a; --s2: #534a2a; --s3: #3c4a2c; --s4: #27482f; } }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 70rem; margin: 2.5rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.6rem; margin: 0 0 1rem; }
h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; }
small { color: var(--dim); }
.bad { color: var(--bad); }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; margin: 0; }
.figures dt { font-size: 1.6rem; font-weight: 600; }
.figures dd { margin: 0; color: var(--dim); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--dim); font-size: .85rem; }
th, td { padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
.bar { display: inline-block; width: 8rem; height: .7rem; background: var(--line);
  border-radius: .35rem; overflow: hidden; }
.bar span { display: block; height: 100%; width: calc(var(--share) * 100%);
  background: var(--bar); }
.count { white-space: nowrap; }
.wide { overflow-x: auto; }
.grid th, .grid td { padding: .35rem .5rem; white-space: nowrap; }
.grid td + td { text-align: right; }
.grid a { color: inherit; }
.none { color: var(--dim); }
.s0 { background: var(--s0); } .s1 { background: var(--s1); } .s2 { background: var(--s2); }
.s3 { background: var(--s3); } .s4 { background: var(--s4); }
"""
