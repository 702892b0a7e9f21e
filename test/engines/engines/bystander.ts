/** A process that has nothing to do with engines. */
process.stdout.write('here\n');
setInterval(() => undefined, 60_000);
