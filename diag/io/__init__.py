"""Files in, arrays and models out. The only code that reads untrusted bytes."""
