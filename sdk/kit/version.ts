/** The version of this package, as in package.json: test/build/version.test.ts compares them. */
export const VERSION = '0.1.0'
