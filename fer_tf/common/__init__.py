"""What every folder uses: checks of arguments, paths, files, hashes, quiet output and safe text."""
