"""What each command does; `autograder.course.app` only wires them up."""
