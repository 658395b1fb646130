"""Whether who is known may pass: schedules, rules, areas, factors. Pure: time comes in."""
