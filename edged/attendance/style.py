"""How the HTML report looks: on a screen by day and by night, and on paper."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

STYLE = """
:root { --ink: #1b1b1b; --page: #fff; --line: #c9c9c9; --look: #fff3d6;
  --work: #2b6cb0; --break: #fff; --field: #2f855a; --overtime: #9b2c6f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --page: #161616; --line: #4a4a4a;
  --look: #3a3010; --work: #63a4e0; --break: #161616; --field: #5cc08d; --overtime: #e08bbd; } }
body { font: 15px/1.4 system-ui, sans-serif; color: var(--ink); background: var(--page);
  margin: 1.5rem; }
h1 { font-size: 1.4rem; }
section { overflow-x: auto; margin: 1.5rem 0; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .6rem; text-align: left;
  vertical-align: middle; }
th { font-weight: 600; }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.chart { min-width: 16rem; width: 40%; }
text { font-size: 10px; font-weight: 400; fill: var(--ink); }
th bdi { white-space: nowrap; }
tr.look td.note { background: var(--look); }
svg { display: block; width: 100%; height: 1.3rem; }
svg.key { display: inline-block; width: 1.6rem; height: .8rem; margin-right: .4rem; }
.legend span { margin-right: 1.2rem; white-space: nowrap; }
.tick { stroke: var(--line); stroke-width: 1; }
.punch { stroke: var(--ink); stroke-width: 1.5; }
.work { fill: var(--work); }
.break { fill: var(--break); stroke: var(--ink); stroke-dasharray: 3 2; }
.field { fill: var(--field); stroke: var(--ink); }
.overtime { fill: var(--overtime); stroke: var(--ink); stroke-width: 2; }
@media print { body { margin: 0; font-size: 11px; } section { overflow: visible; }
  thead { display: table-header-group; } tr { break-inside: avoid; }
  svg { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
  :root { --ink: #000; --page: #fff; --look: #fff; } }
"""
