export default { mode: 'production', target: 'web', entry: './page.js', output: { publicPath: 'auto' } }
