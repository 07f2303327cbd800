// This floor's files are being written.
