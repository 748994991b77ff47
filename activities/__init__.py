"""What the workflows call: each activity locks, decides and writes in one transaction, or acts on the provider."""
