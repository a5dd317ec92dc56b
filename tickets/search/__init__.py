"""What is searched and how: blocks with hidden units, what a unit costs, cutting units out, and the ways down."""
