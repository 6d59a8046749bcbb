// Notices of what the page embeds.
import apache from '../node_modules/echarts/LICENSE';
import echarts from '../node_modules/echarts/NOTICE';
import d3 from '../node_modules/echarts/licenses/LICENSE-d3';
import tslib from '../node_modules/tslib/LICENSE.txt';
import zrender from '../node_modules/zrender/LICENSE';

export const kLicences: { name: string; text: string }[] = [
  { name: 'Apache ECharts (Apache-2.0)', text: `${echarts}\n\n${apache}` },
  { name: 'd3, parts of which are in ECharts (BSD-3-Clause)', text: d3 },
  { name: 'zrender (BSD-3-Clause)', text: zrender },
  { name: 'tslib (0BSD)', text: tslib },
];
