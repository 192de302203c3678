const { readFileSync } = require('node:fs');
const rss=()=>{const s=readFileSync('/proc/self/status','utf8');return (k=>k.map(n=>`${n} ${Math.round(/\d+/.exec(s.split(n+':')[1])[0]/1024)}`).join(' '))(['VmHWM','VmRSS','RssAnon'])};
const t=Date.now();
require(process.argv[2]);
console.log('cjs',process.argv.slice(2).join(' '),rss(),Date.now()-t,'ms', Math.round(process.memoryUsage().heapTotal/1e6));
process.exit();
