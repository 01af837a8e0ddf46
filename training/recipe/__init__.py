"""What a recipe may say, section by section, and how its YAML is read; a mistake is one line with its place."""
