"""What `doctor` looks at, one file for each place to look; a finding says what is so, and what to do about it."""
