"""One file a job: what the command line and the web endpoint call, what it needs in, a result out."""
