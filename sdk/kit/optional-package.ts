import { SpanwireError } from '../wire/errors.ts'

/**
 * The `catch` of an `import()` of optional peer dependencies. Bundlers accept that such a package is not installed.
 * @param packages all that the feature needs, as arguments of `npm install`
 * @throws SpanwireError `unsupported`, with the command that installs them
 */
export function notInstalled(feature: string, ...packages: readonly string[]): (cause: unknown) => never {
  return (cause) => {
    const names = packages.length === 1 ? `package ${packages[0]}` : `packages ${packages.join(' and ')}`
    throw new SpanwireError(
      'unsupported',
      `${feature} needs the ${names}, which cannot be loaded: run "npm install ${packages.join(' ')}".`,
      { cause },
    )
  }
}
