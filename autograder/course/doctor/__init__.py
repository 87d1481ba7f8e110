"""What `course doctor` looks at."""
