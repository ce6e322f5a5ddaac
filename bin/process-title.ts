/** What `ps` shows of this process to everybody: the command as it was typed, without the passwords of its URLs. */

/** The text that is shown, where it must be another than what was typed. */
export function titleWithoutPasswords(argv: readonly string[]): string | undefined {
  const shown = argv.map(withoutPassword);
  return shown.some((word, n) => word !== argv[n]) ? ['huey-runtime', ...shown].join(' ') : undefined;
}

export function hidePasswords(argv: readonly string[]): void {
  const title = titleWithoutPasswords(argv);
  if (title !== undefined) process.title = title;
}

/** As in `--url redis://user:password@host`, `--redis=:password@host:6379` and `...?sentinelPassword=word`. */
function withoutPassword(word: string): string {
  return word.replace(/^((?:--?[\w-]+=)?(?:[\w+]+:\/\/)?[^:@/]*):(?!\/\/).*@/, '$1:***@').replaceAll(/(password=)[^&]*/gi, '$1***');
}
