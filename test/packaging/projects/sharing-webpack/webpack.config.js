import { fileURLToPath } from 'node:url'

const path = fileURLToPath(new URL('./site', import.meta.url))

export default { mode: 'production', target: 'web', entry: './page.js', output: { path, publicPath: 'auto' } }
